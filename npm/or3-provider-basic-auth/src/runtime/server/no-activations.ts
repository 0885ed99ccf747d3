/** For hosts without plugin activations, which have nothing to end. */
export async function activationsOf(): Promise<() => void> {
  return () => undefined
}
