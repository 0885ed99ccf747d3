import { defineEventHandler } from 'h3'
import { activationsOf } from '#or3-basic-auth/activations'
import { cloud } from './cloud'
import { endProofs, refuseUnselected } from './endpoint'

/** Signs out. The host's own state ends after the engine has accepted it, before the browser loses its cookies. */
export default defineEventHandler(async (event) => {
  refuseUnselected()
  const end = await activationsOf(event)
  await cloud.relay(event, {
    answered(status) {
      endProofs(event)
      if (status === 200) end()
    },
  })
})
