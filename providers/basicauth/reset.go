package basicauth

import or3cloud "or3.chat/cloud"

// resetRoutes are the endpoints for a forgotten password and for confirming an address.
func (p *provider) resetRoutes() []or3cloud.Route { return nil }
