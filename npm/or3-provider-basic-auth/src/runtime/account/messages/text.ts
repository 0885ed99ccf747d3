import { inject, type InjectionKey } from 'vue'
import type { Messages } from './en'

/**
 * A message is a string, or a function if it has parameters, so that a translation can handle plurals
 * itself.
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each has parameters of its own, which Text<M> reads
export type Message = string | ((params: any) => string)

export type Words = Record<string, Message>

/** A translation can replace any message; the others stay in English. */
export type Translation = { [K in keyof Messages]?: Messages[K] extends string ? string : Messages[K] }

export const translationKey: InjectionKey<Translation> = Symbol('or3 account translation')

type Params<T> = T extends (params: infer P) => string ? [params: P] : []

/** Text looks up one message by key; a message with parameters does not compile without them. */
export type Text<M extends Words> = <K extends keyof M & string>(key: K, ...params: Params<M[K]>) => string

/**
 * useText returns the messages of one or more groups. A group is imported where it is used, so that a small component
 * stays small.
 */
export function useText<M extends Words>(words: M): Text<M> {
  return textOf(words, inject(translationKey, {}))
}

export function textOf<M extends Words>(words: M, translation: Words = {}): Text<M> {
  return (key, ...params) => {
    const message: Message = translation[key] ?? words[key]!
    return typeof message === 'string' ? message : message(params[0])
  }
}
