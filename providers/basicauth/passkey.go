package basicauth

import or3cloud "or3.chat/cloud"

// passkeyRoutes are the endpoints of passkeys.
func (p *provider) passkeyRoutes() []or3cloud.Route { return nil }
