import { expect, test } from 'vitest'
import { EngineProblem, type ProblemCode } from '../src/errors.js'
import { backOff, longest, settled, shortest, step, type Effect, type Event, type State } from '../src/machine.js'

type Connection = 'first' | 'second'
const problem = new EngineProblem('ended', 'it has ended')
const lasting = new EngineProblem('not-installed', 'it is missing')

const states: { [N in State<Connection>['name']]: Extract<State<Connection>, { name: N }> } = {
  'idle': { name: 'idle' },
  'starting': { name: 'starting', failures: 2 },
  'ready': { name: 'ready', failures: 2, since: 100, connection: 'first' },
  'backing-off': { name: 'backing-off', failures: 2, problem },
  'stopped': { name: 'stopped' },
}
const events: { [N in Event<Connection>['name']]: Extract<Event<Connection>, { name: N }> } = {
  start: { name: 'start' },
  spoke: { name: 'spoke', connection: 'second' },
  refused: { name: 'refused', problem },
  left: { name: 'left', problem },
  elapsed: { name: 'elapsed' },
  stop: { name: 'stop' },
}

/** What follows: a state and what is done; or nothing, and then the state is the very same. */
type Follows = [State<Connection>, Effect['do'][]] | 'nothing'
const stopped: Follows = [{ name: 'stopped' }, ['end']]
const backing: State<Connection> = { name: 'backing-off', failures: 3, problem }
const ready: State<Connection> = { name: 'ready', failures: 2, since: 1000, connection: 'second' }

const table: Record<State<Connection>['name'], Record<Event<Connection>['name'], Follows>> = {
  'idle': {
    start: [{ name: 'starting', failures: 0 }, ['launch']],
    spoke: 'nothing',
    refused: 'nothing',
    left: 'nothing',
    elapsed: 'nothing',
    stop: stopped,
  },
  'starting': {
    start: 'nothing',
    spoke: [ready, []],
    refused: [backing, ['end', 'wait']],
    left: [backing, ['wait']],
    elapsed: 'nothing',
    stop: stopped,
  },
  'ready': {
    start: 'nothing',
    spoke: [{ ...ready, since: 100 }, []],
    refused: [backing, ['end', 'wait']],
    left: [backing, ['wait']],
    elapsed: 'nothing',
    stop: stopped,
  },
  'backing-off': {
    start: 'nothing',
    spoke: 'nothing',
    refused: 'nothing',
    left: 'nothing',
    elapsed: [{ name: 'starting', failures: 2 }, ['launch']],
    stop: stopped,
  },
  'stopped': {
    start: 'nothing',
    spoke: 'nothing',
    refused: 'nothing',
    left: 'nothing',
    elapsed: 'nothing',
    stop: 'nothing',
  },
}

test.each(Object.values(states).flatMap(state => Object.values(events).map(event => ({ state, event }))))(
  '$state.name, $event.name',
  ({ state, event }) => {
    const [after, effects] = step<Connection>(state, event, { now: 1000, random: 0.5 })
    const follows = table[state.name][event.name]
    if (follows === 'nothing') {
      expect(after).toBe(state)
      expect(effects).toEqual([])
    }
    else {
      expect([after, effects.map(effect => effect.do)]).toEqual(follows)
    }
  },
)

test('an engine that has stayed for long begins with a short back-off again', () => {
  const [after, effects] = step<Connection>({ ...states.ready, failures: 12 }, events.left, {
    now: 100 + settled,
    random: 1,
  })
  expect(after).toMatchObject({ name: 'backing-off', failures: 1 })
  expect(effects).toEqual([{ do: 'wait', milliseconds: shortest }])
})

test('back-offs grow, are spread, and end', () => {
  for (let failures = 0; failures < 2000; failures++) {
    for (const random of [0, 0.3, 1]) {
      const wait = backOff(failures, false, random)
      expect(wait).toBeGreaterThanOrEqual(shortest / 2)
      expect(wait).toBeLessThanOrEqual(longest)
      expect(wait).toBeLessThanOrEqual(backOff(failures + 1, false, random))
    }
    expect(backOff(failures, true, 0)).toBe(longest)
  }
})

test('what waits for a person is told from what passes by itself', () => {
  const passing: Record<ProblemCode, boolean> = {
    'unsupported-platform': false,
    'not-installed': false,
    'other-platform': false,
    'bad-setting': false,
    'not-executable': false,
    'version': false,
    'ended': true,
    'unreachable': true,
  }
  for (const [code, passes] of Object.entries(passing))
    expect(new EngineProblem(code as ProblemCode, '').lasting, code).toBe(!passes)
  expect(step<Connection>(states.starting, { name: 'left', problem: lasting }, { now: 0, random: 0 })[1]).toEqual([
    { do: 'wait', milliseconds: longest },
  ])
})
