package setup

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	or3cloud "or3.chat/cloud"
)

// chatProviders returns the providers of OR3 Chat's own host that this program lacks, with the variables that they read
// from a .env file (contract, env §11). So installations with them can be set up, and their variables keep their
// meaning.
func chatProviders() []or3cloud.Provider {
	const groupClerk, groupConvex = "Clerk", "Convex"
	return []or3cloud.Provider{
		{
			ID: "clerk", Package: "or3-provider-clerk", Serves: []or3cloud.ProviderKind{or3cloud.ProviderAuth}, Open: notHere,
			Settings: []or3cloud.Setting{
				{
					Name: "NUXT_PUBLIC_CLERK_PUBLISHABLE_KEY", Settable: true, Group: groupClerk, Label: "Publishable key", Example: "pk_live_Y2xlcmsuZXhhbXBsZS5vcmck",
					Asked: true, Demanded: true, Check: begins("pk_"), Help: "Public key of the application, from Clerk's dashboard.",
				},
				{
					Name: "NUXT_CLERK_SECRET_KEY", Settable: true, Group: groupClerk, Label: "Secret key", Secret: true,
					Asked: true, Demanded: true, Check: begins("sk_"), Help: "Secret key of the application, from Clerk's dashboard.",
				},
			},
		},
		{
			ID: "convex", Package: "or3-provider-convex", Serves: []or3cloud.ProviderKind{or3cloud.ProviderSync, or3cloud.ProviderStorage}, Open: notHere,
			Settings: []or3cloud.Setting{
				{
					Name: "VITE_CONVEX_URL", Settable: true, Group: groupConvex, Label: "Deployment", Example: "https://happy-animal-123.convex.cloud",
					Asked: true, Demanded: true, Check: isAddress, Help: "Address of the deployment.",
				},
				{
					Name: "CONVEX_SELF_HOSTED_ADMIN_KEY", Settable: true, Group: groupConvex, Label: "Admin key", Secret: true,
					Asked: true, Help: "Admin key of your own deployment, with which the server acts where there is no token of a user.",
				},
			},
		},
	}
}

// WithChat returns a program's providers and those of OR3 Chat's own host, whose settings a Nuxt host has as well.
func WithChat(compiled *or3cloud.Registry) (*or3cloud.Registry, error) {
	all := &or3cloud.Registry{}
	for _, p := range slices.Concat(compiled.Providers(), chatProviders()) {
		if _, ok := all.Lookup(p.ID); ok {
			continue
		}
		if err := all.Register(p); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// notHere is the Open of a provider that is not compiled in.
func notHere(context.Context, or3cloud.Env) (*or3cloud.Instance, error) {
	return nil, errors.New("this provider is one of OR3 Chat's own host, and not of this program")
}

func begins(prefix string) func(string) (fault, fix string) {
	return func(text string) (fault, fix string) {
		if !strings.HasPrefix(text, prefix) || strings.ContainsAny(text, " \t\n") {
			return "does not begin with " + prefix, "Copy the key from the dashboard, from " + prefix + " on."
		}
		return "", ""
	}
}

func isAddress(text string) (fault, fix string) {
	if u, err := url.Parse(text); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return "is not an address", "Use for example https://happy-animal-123.convex.cloud."
	}
	return "", ""
}
