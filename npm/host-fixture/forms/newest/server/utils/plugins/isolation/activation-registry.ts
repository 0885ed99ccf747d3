/** Ends what plugins do for a user, and returns the ids of what was ended. The fixture has no plugins. */
export function revokeHostActivationsForUser(_userId: string, _reason: string): string[] {
  return []
}
