// What a scenario needs of a browser.

export interface Browser {
  /** Cookies and databases that nothing else shares. */
  profile: () => Promise<Profile>
  close: () => Promise<void>
}

export interface Profile {
  /** Opens a tab, and waits until its page is loaded. */
  open: (address: string) => Promise<Page>
  /** The values of cookies by their names. */
  cookies: () => Promise<Record<string, string>>
  /** Loses a cookie, as when its time is over. */
  lose: (cookie: string) => Promise<void>
  close: () => Promise<void>
}

export interface Page {
  /** The errors that the page has written to the console or has not caught. */
  readonly complaints: string[]
  /** What an expression is, or what it promises, as JSON has it. */
  evaluate: (expression: string) => Promise<unknown>
  close: () => Promise<void>
}
