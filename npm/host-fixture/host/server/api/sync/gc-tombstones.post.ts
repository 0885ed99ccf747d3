import { defineEventHandler } from 'h3'
import { collect } from '../../utils/collect'

export default defineEventHandler(event => collect(event, 'gcTombstones', 'GC tombstones'))
