package basicauth

import or3cloud "or3.chat/cloud"

// factorRoutes are the endpoints of the second factor.
func (p *provider) factorRoutes() []or3cloud.Route { return nil }
