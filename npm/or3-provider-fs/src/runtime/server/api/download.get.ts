import { transfer } from '../transfer'

export default transfer('workspace.read')
