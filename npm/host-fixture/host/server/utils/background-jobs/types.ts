/**
 * The jobs of background answers. The fixture runs none; what registers a provider is looked at by the start-up check
 * alone.
 */
export interface BackgroundJobProvider {
  name: string
}
