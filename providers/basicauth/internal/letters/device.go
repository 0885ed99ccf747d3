package letters

import (
	"net/netip"
	"strings"
)

// The marks that tell browsers and systems apart, in this order, since most browsers also name those that they
// resemble.
var (
	browserMarks = [][2]string{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Vivaldi", "Vivaldi"}, {"SamsungBrowser", "Samsung Internet"}, {"Firefox", "Firefox"}, {"FxiOS", "Firefox"},
		{"CriOS", "Chrome"}, {"Chromium", "Chromium"}, {"Chrome", "Chrome"}, {"Safari", "Safari"},
	}
	systemMarks = [][2]string{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"}, {"Windows", "Windows"},
		{"Mac OS X", "macOS"}, {"Linux", "Linux"},
	}
)

// Device is what people call a browser, as far as its user agent says. It has no versions, so that an update does
// not make a browser a new one. Answers have its parts, because pages say "on" in the language of their user; letters
// have its String.
type Device struct {
	Browser string `json:"browser,omitempty"`
	System  string `json:"system,omitempty"`
	// Kind is phone, tablet or computer, for the icon that pages show; empty if the system is not known.
	Kind string `json:"kind,omitempty"`
}

// DeviceOf is the only place where a user agent is parsed.
func DeviceOf(agent string) Device {
	d := Device{Browser: firstMark(agent, browserMarks), System: firstMark(agent, systemMarks)}
	switch {
	case d.System == "iPhone", d.System == "Android" && strings.Contains(agent, "Mobile"):
		d.Kind = "phone"
	case d.System == "iPad", d.System == "Android":
		d.Kind = "tablet"
	case d.System != "":
		d.Kind = "computer"
	}
	return d
}

// String is what a person would call the device: "Firefox on Windows".
func (d Device) String() string {
	switch {
	case d == Device{}:
		return "unknown device"
	case d.Browser == "":
		return d.System
	case d.System == "":
		return d.Browser
	}
	return d.Browser + " on " + d.System
}

func firstMark(agent string, marks [][2]string) string {
	for _, m := range marks {
		if strings.Contains(agent, m[0]) {
			return m[1]
		}
	}
	return ""
}

// Network is the part of an address that stays the same when a provider assigns a new one.
func Network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	ip = ip.Unmap()
	bits := 24
	if ip.Is6() {
		bits = 48
	}
	prefix, err := ip.WithZone("").Prefix(bits)
	if err != nil {
		return address
	}
	return prefix.String()
}
