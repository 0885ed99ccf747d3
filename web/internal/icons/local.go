package icons

import "regexp"

// outside is where the settings of a client say which service it asks for icons. A client that was built as static files asks no
// other, and every other one asks it for what it does not get here. A service that was chosen is none of our business.
var outside = regexp.MustCompile("(\\biconifyApiEndpoint[\"']?\\s*:\\s*[\"'`])https://api\\.iconify\\.design/?([\"'`])")

// Local returns a script of a client that asks this server for icons where it would ask the service outside. base is the path below
// which browsers see the server. It is the script itself if there is nothing of that in it.
func Local(script []byte, base string) []byte {
	if !outside.Match(script) {
		return script
	}
	return outside.ReplaceAll(script, []byte("${1}"+base+Path[:len(Path)-1]+"${2}"))
}
