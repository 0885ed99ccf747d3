import { afterEach, beforeEach, expect, vi } from 'vitest'
import './browser.css'

/** A page of a finished product prints nothing on the console: no Vue warnings, no uncaught failures. */
const spoken: unknown[][] = []

beforeEach(() => {
  spoken.length = 0
  for (const method of ['warn', 'error'] as const) vi.spyOn(console, method).mockImplementation((...args) => void spoken.push(args))
})

afterEach(() => {
  expect(spoken.map(([first]) => String(first))).toEqual([])
})
