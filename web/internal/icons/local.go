package icons

import (
	"bytes"
	"regexp"
)

// outside is where the settings of a client say which service it asks for icons. A client that was built as static
// files asks no other, and every other one asks it for what it does not get here. A service that was chosen is none of
// our business.
var outside = regexp.MustCompile("(\\biconifyApiEndpoint[\"']?\\s*:\\s*[\"'`])https://api\\.iconify\\.design/?([\"'`])")

// Local returns a script of a client that asks this server for icons where the script would ask the service outside,
// and whether it would. base is the path below which browsers see the server.
func Local(script []byte, base string) (local []byte, asks bool) {
	if !bytes.Contains(script, []byte("api.iconify.design")) || !outside.Match(script) { // the word alone is found much faster
		return script, false
	}
	return outside.ReplaceAll(script, []byte("${1}"+base+Path[:len(Path)-1]+"${2}")), true
}
