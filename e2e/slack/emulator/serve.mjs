// Runs the Slack service of https://github.com/vercel-labs/emulate. The package has no setting for where
// events go, so that the address is registered when the service is.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const dist = dirname(fileURLToPath(import.meta.resolve('emulate')))
const name = readdirSync(dist).find((f) => /^dist-.*\.js$/.test(f) && readFileSync(join(dist, f), 'utf8').includes('slackPlugin'))
const { slackPlugin } = await import(pathToFileURL(join(dist, name)))
const register = slackPlugin.register
slackPlugin.register = (app, store, webhooks, ...rest) => {
  webhooks.register({ owner: 'slack', url: process.env.HOOK, events: ['*'], active: true })
  register(app, store, webhooks, ...rest)
}
const { createEmulator } = await import('emulate')
const port = Number(process.env.PORT)
await createEmulator({ service: 'slack', port, baseUrl: `http://127.0.0.1:${port}`, seed: JSON.parse(process.env.SEED) })
console.log('ready')
