import { defineEventHandler } from 'h3'
import { Named } from '../utils/named'

/** The ids of all that providers have registered. A real host tells no one. */
export default defineEventHandler(() => [...Named.ids].sort())
