import { computed, onScopeDispose, reactive, type ComputedRef } from 'vue'
import { useAccount } from '../context'
import type { Config, FactorChallenge } from '../api/wire'
import type { AccountLink } from '../links'
import { signInWords } from '../messages/en/signIn'
import { useText } from '../messages/text'

export type SignInView = 'signIn' | 'factor' | 'forgot' | 'reset' | 'register' | 'confirm'

/** What the steps of signing in share: which one is shown, and what is kept between them. */
export interface SignInFlow {
  view: SignInView
  email: string
  link: AccountLink | null
  challenge: FactorChallenge | null
  /** A good result of the step before, shown above the form. */
  notice: string
  /** null until the server has said what it offers; what is unknown is not offered. */
  config: Config | null
  show(view: SignInView, notice?: string): void
}

export interface SignInFlowOptions {
  link?: AccountLink | null
  email?: string
  view?: 'signIn' | 'register' | 'forgot'
  /** The session ended while the page was open. */
  ended?: boolean
}

const viewOfLink = { 'reset': 'reset', 'confirm-email': 'confirm', 'invite': 'register', 'setup': 'register' } as const

/** useSignInFlow holds the state of one run through sign-in, with the title and the sentence of the step that is shown. */
export function useSignInFlow(options: SignInFlowOptions = {}): { flow: SignInFlow, title: ComputedRef<string>, text: ComputedRef<string> } {
  const { api } = useAccount()
  const t = useText(signInWords)
  const flow: SignInFlow = reactive({
    view: options.link ? viewOfLink[options.link.kind] : options.view ?? 'signIn',
    email: options.email ?? '',
    link: options.link ?? null,
    challenge: null,
    notice: options.ended ? t('signIn.ended') : '',
    config: null,
    show(view: SignInView, notice = '') {
      flow.view = view
      flow.notice = notice
    },
  })

  const abort = new AbortController()
  onScopeDispose(() => abort.abort())
  // A server that gives no configuration now still signs in; only the extras stay hidden.
  api.config(abort.signal).then(config => flow.config = config, () => {})

  const title = computed(() => flow.view === 'register' && flow.link?.kind === 'setup' ? t('register.setupTitle') : t(`${flow.view}.title`))
  const text = computed(() => {
    if (flow.view === 'register') return registerText()
    if (flow.view === 'forgot' && flow.config?.mail === false) return t('forgot.noMailText')
    return t(`${flow.view}.text`)
  })

  function registerText() {
    if (flow.link?.kind === 'setup') return t('register.setupText')
    if (flow.link?.kind === 'invite') return t('register.inviteText')
    return flow.config?.registration === 'disabled' ? t('register.closedText') : t('register.text')
  }

  return { flow, title, text }
}
