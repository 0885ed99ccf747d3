export { Client, encodeCaller, type AskOptions, type Connection, type Reach, type StreamOptions } from './client.js'
export { Engine, useEngine, type EngineOptions, type EngineUse } from './engine.js'
export { EngineError, EngineProblem, type ProblemCode } from './errors.js'
export type { ServerEvent } from './events.js'
export type {
  BrowserRequest,
  Caller,
  CallerOf,
  FaultCode,
  Hello,
  In,
  Method,
  Out,
  Revocation,
  Schemas,
  SessionAnswer,
  StreamName,
  UserCaller,
  Versions,
} from './methods.js'
export { browserRequest, relay, type RelayOptions } from './relay.js'
export { SessionMemory, type SessionMemoryOptions } from './sessions.js'
export type { Search } from './binary.js'
