package guard

import "context"

// LearnLegacyCost tells the hasher which hashes of earlier installations are left.
func (g *Guard) LearnLegacyCost(ctx context.Context) {
	cost, err := g.store.Read.LegacyCost(ctx)
	if err != nil {
		g.log.Warn("the kinds of the stored password hashes are unknown", "error", err)
		return
	}
	g.Passwords.SetLegacyCost(int(cost))
}
