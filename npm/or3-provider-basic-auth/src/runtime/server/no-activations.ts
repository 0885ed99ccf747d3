/** Hosts without plugin activations have none to end. */
export async function activationsOf(): Promise<() => void> {
  return () => undefined
}
