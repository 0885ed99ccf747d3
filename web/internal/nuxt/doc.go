// Package nuxt reads and changes what Nuxt's build of a client consists of: pages with a script that holds the client's
// configuration, and a service worker with a list of files that it keeps. It owns their forms, and knows neither files
// nor HTTP. Nothing of a page or a worker is ever run.
package nuxt
