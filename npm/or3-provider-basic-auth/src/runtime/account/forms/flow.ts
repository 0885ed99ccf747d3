import { computed, onScopeDispose, reactive, type ComputedRef } from 'vue'
import { useAccount } from '../context'
import type { Config, FactorChallenge } from '../api/wire'
import { inspectLink, isDead, type AccountLink } from '../links'
import { signInWords } from '../messages/en/signIn'
import { useText } from '../messages/text'
import { countOf } from '../unsent/unsent'

export type SignInView = 'signIn' | 'factor' | 'forgot' | 'reset' | 'register' | 'confirm' | 'elsewhere'

/** What the steps of signing in share: which one is shown, and what is kept between them. */
export interface SignInFlow {
  view: SignInView
  email: string
  link: AccountLink | null
  /** Whether the server is being asked what the link is for; until it answers, there is no form to fill in. */
  inspecting: boolean
  challenge: FactorChallenge | null
  /** The domains of passkeys that were not requested. */
  otherDomains: string[]
  /** The success message of the previous step, shown above the form. */
  notice: string
  /** null until the server has said what it offers; until then, options are not shown. */
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

type End = Extract<keyof typeof signInWords, `ended.${string}`>
const isEnd = (key: string): key is End => key in signInWords

const viewOfLink = { 'reset': 'reset', 'confirm-email': 'confirm', 'invite': 'register', 'setup': 'register' } as const

/**
 * useSignInFlow holds the state of one sign-in, with the title and the text of the current step.
 */
export function useSignInFlow(options: SignInFlowOptions = {}): { flow: SignInFlow, title: ComputedRef<string>, text: ComputedRef<string> } {
  const { api, endings, session, unsentChanges } = useAccount()
  const t = useText(signInWords)
  const flow: SignInFlow = reactive({
    view: options.link ? viewOfLink[options.link.kind] : options.view ?? 'signIn',
    email: options.email ?? '',
    link: null,
    inspecting: false,
    challenge: null,
    otherDomains: [],
    notice: endText(),
    config: null,
    show(view: SignInView, notice = '') {
      flow.view = view
      flow.notice = notice
    },
  })

  const abort = new AbortController()
  onScopeDispose(() => abort.abort())
  // If the server returns no configuration, people can still sign in; only the extras stay hidden.
  api.config(abort.signal).then(config => flow.config = config, () => {})

  /** Why the user is no longer signed in; not shown for a link, which is about something else. */
  function endText() {
    const { why } = endings
    if (options.link || !(options.ended || why.value)) return ''
    const key = `ended.${why.value}`
    return isEnd(key) ? t(key) : t('signIn.ended')
  }

  // The next user should know that there are unsent changes, and who has to sign in to send them.
  if (flow.notice) {
    void unsentChanges().then((unsent) => {
      const count = countOf(unsent)
      if (count > 0 && flow.view === 'signIn') flow.notice += ` ${t('signIn.unsent', { count, email: session.state.value.person?.email })}`
    }, () => {})
  }

  function follow(link: AccountLink) {
    flow.link = link
    if (!flow.email && link.found?.state === 'valid') flow.email = link.found.email ?? ''
  }

  async function inspect(link: AccountLink) {
    flow.inspecting = true
    follow(await inspectLink({ link: body => api.link(body, abort.signal) }, link))
    flow.inspecting = false
  }

  if (options.link) {
    follow(options.link)
    if (!options.link.found && options.link.kind !== 'confirm-email') void inspect(options.link)
  }

  const title = computed(() => flow.view === 'register' && flow.link?.kind === 'setup' ? t('register.setupTitle') : t(`${flow.view}.title`))
  const text = computed(() => {
    if (flow.inspecting || (isDead(flow.link) && flow.view === viewOfLink[flow.link!.kind])) return t(flow.inspecting ? 'link.text' : 'link.deadText')
    if (flow.view === 'register') return registerText()
    if (flow.view === 'forgot' && flow.config?.mail === false) return t('forgot.noMailText')
    return t(`${flow.view}.text`)
  })

  function registerText() {
    const { link, config } = flow
    if (link?.kind === 'setup') return t('register.setupText')
    if (config?.registration === 'disabled') return t('register.closedText')
    if (link?.found?.state === 'ignored') return t('register.needlessInviteText')
    if (link?.kind === 'invite') return inviteText(link)
    return config?.registration === 'open' && config.setupRequired ? t('register.ordinaryText') : t('register.text')
  }

  function inviteText({ found }: AccountLink) {
    if (found?.state !== 'valid' || !found.email) return t('register.inviteText')
    const { email, workspace, invitedBy } = found
    if (!workspace) return t('register.inviteForText', { email })
    return invitedBy ? t('register.inviteByText', { email, workspace, invitedBy }) : t('register.inviteIntoText', { email, workspace })
  }

  return { flow, title, text }
}
