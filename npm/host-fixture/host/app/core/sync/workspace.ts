// What a device has of a workspace: a database that or3-cloud-client keeps in step.
import { Dexie, type EntityTable } from 'dexie'
import { connect, syncStores, type FileInfo, type Sync } from 'or3-cloud-client'

/** A document, which OR3 Chat would show, too. */
export interface Document {
  id: string
  title: string
  content: string
  post_type: string
  /** The hashes of its files, as JSON. */
  file_hashes?: string
  deleted?: boolean
}

export type Database = Dexie & { posts: EntityTable<Document, 'id'>, file_meta: EntityTable<FileInfo, 'hash'> }

/** Each user of a browser has a database of their own for each workspace. */
export function openWorkspace(userId: string, workspaceId: string): { db: Database, sync: Sync } {
  const db = new Dexie(`host ${userId} ${workspaceId}`) as Database
  db.version(1).stores({ posts: 'id, title', ...syncStores })
  return { db, sync: connect(db, { chat: ['posts'], workspace: workspaceId, app: 'host' }) }
}
