// The decisions of the supervisor: which state follows which event. Nothing here has side effects.
import type { EngineProblem } from './errors.js'

/**
 *       start           spoke            left, refused
 * idle ───────► starting ─────► ready ─────────┐
 *                  ▲  └──────────────┬─────────┘
 *                  │     elapsed     ▼
 *                  └────────── backing-off          any ── stop ─► stopped
 *
 * failures counts starts that have not led to an engine that stayed.
 */
export type State<C>
  = | { name: 'idle' }
    | { name: 'starting', failures: number }
    | { name: 'ready', failures: number, since: number, connection: C }
    | { name: 'backing-off', failures: number, problem: EngineProblem }
    | { name: 'stopped' }

export type Event<C>
  = | { name: 'start' }
  /** The process has said where the engine is, and hello has succeeded. */
    | { name: 'spoke', connection: C }
  /** The launched engine is unusable, but is still running. */
    | { name: 'refused', problem: EngineProblem }
  /** The engine could not be started, or has ended. */
    | { name: 'left', problem: EngineProblem }
  /** A back-off is over. */
    | { name: 'elapsed' }
    | { name: 'stop' }

/** `end` is for the process, if there is one, and any wait. */
export type Effect = { do: 'launch' } | { do: 'wait', milliseconds: number } | { do: 'end' }

/** How long an engine must run, in milliseconds, before its end no longer counts as a failure to start. */
export const settled = 30_000
/** The first and the longest back-off, in milliseconds. */
export const shortest = 100
export const longest = 30_000

/**
 * How long to wait after a number of failures. A lasting problem needs a person, so retries are rare. random is
 * from 0 to 1.
 */
export function backOff(failures: number, lasting: boolean, random: number): number {
  if (lasting) return longest
  return Math.min(longest, shortest * 2 ** Math.min(failures, 20)) * (0.5 + random / 2)
}

export interface Moment {
  /** In milliseconds. */
  now: number
  /** From 0 to 1. */
  random: number
}

type Step<C> = [State<C>, Effect[]]

function fail<C>(failures: number, problem: EngineProblem, { random }: Moment, before: Effect[]): Step<C> {
  return [
    { name: 'backing-off', failures: failures + 1, problem },
    [...before, { do: 'wait', milliseconds: backOff(failures, problem.lasting, random) }],
  ]
}

/** Returns the next state and effects; an event without meaning in a state returns the same state. */
export function step<C>(state: State<C>, event: Event<C>, moment: Moment): Step<C> {
  if (event.name === 'stop') return state.name === 'stopped' ? [state, []] : [{ name: 'stopped' }, [{ do: 'end' }]]
  switch (state.name) {
    case 'idle':
      return event.name === 'start' ? [{ name: 'starting', failures: 0 }, [{ do: 'launch' }]] : [state, []]
    case 'starting':
    case 'ready': {
      const { failures } = state
      if (event.name === 'spoke') {
        const since = state.name === 'ready' ? state.since : moment.now
        return [{ name: 'ready', failures, since, connection: event.connection }, []]
      }
      const counted = state.name === 'ready' && moment.now - state.since >= settled ? 0 : failures
      if (event.name === 'refused') return fail(counted, event.problem, moment, [{ do: 'end' }])
      if (event.name === 'left') return fail(counted, event.problem, moment, [])
      return [state, []]
    }
    case 'backing-off':
      return event.name === 'elapsed'
        ? [{ name: 'starting', failures: state.failures }, [{ do: 'launch' }]]
        : [state, []]
    case 'stopped':
      return [state, []]
  }
}
