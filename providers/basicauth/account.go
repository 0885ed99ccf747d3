package basicauth

import or3cloud "or3.chat/cloud"

// accountRoutes are the endpoints with which people manage their own account.
func (p *provider) accountRoutes() []or3cloud.Route { return nil }
