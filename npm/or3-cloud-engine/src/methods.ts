// The methods and streams of the protocol as types, derived from the generated description.
import type { components, operations } from './protocol.js'

export type Schemas = components['schemas']
export type Hello = Schemas['Hello']
export type Versions = Schemas['Versions']
export type Fault = Schemas['Fault']
export type FaultCode = Fault['code']
/** The user on whose behalf a host calls. */
export type Caller = Schemas['Caller']
/** A caller with a user, for methods that act on behalf of one. */
export type UserCaller = Caller & { user: Schemas['User'] }
export type BrowserRequest = Schemas['BrowserRequest']
export type SessionAnswer = Schemas['SessionAnswer']
export type Revocation = Schemas['Revocation']

type Operations = Omit<operations, 'hello'>

/** The names of the methods, which take and return a JSON object. */
export type Method = {
  [N in keyof Operations]: Operations[N] extends { requestBody: { content: { 'application/json': unknown } } }
    ? N
    : never
}[keyof Operations]

/** The names of the streams of events. */
export type StreamName = Exclude<keyof Operations, Method>

/** The input of a method. */
export type In<N extends Method> = Operations[N]['requestBody']['content']['application/json']

/** The output of a method. */
export type Out<N extends Method> = Operations[N] extends {
  responses: { 200: { content: { 'application/json': infer Answer } } }
}
  ? Answer
  : never

/** The caller of a method: methods that act on behalf of a user need one. */
export type CallerOf<N extends keyof Operations> = Operations[N]['parameters'] extends { header: object }
  ? UserCaller
  : Caller | undefined

/** The versions of the protocol that this package speaks. */
export const spoken: Versions = { oldest: 1, current: 1 }

/** The path prefix of all methods. */
export const prefix = '/engine/v1/'

/** The header with the caller. */
export const callerHeader = 'or3-engine-caller'

/** A range of versions as people read it. */
export function rangeText({ oldest, current }: Versions): string {
  return oldest === current ? `version ${current}` : `versions ${oldest} to ${current}`
}
