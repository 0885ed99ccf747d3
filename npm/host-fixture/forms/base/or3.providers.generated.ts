// Written by the wizard of a host that knows no JSON list.
export const or3ProviderModules: string[] = []
