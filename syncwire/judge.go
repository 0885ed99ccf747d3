package syncwire

import (
	"strconv"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/syncschema"
)

// Judge validates each op of a push on its own. It returns the ops that may go to a sync engine, in order, with the
// index of each in the push. It moves them to the front of p.Ops. For every other op it writes a refusal into results,
// which has an element for each op (contract, sync §10.1, Pitfall 2).
func (p *Push) Judge(results []or3cloud.OpResult) (valid []or3cloud.Op, places []int) {
	valid, places = p.Ops[:0], make([]int, 0, len(p.Ops))
	for i := range p.Ops {
		op := &p.Ops[i]
		var found syncschema.Places
		if p.found != nil {
			found = p.found[i]
		}
		problem := syncschema.CheckRead(op, found)
		if p.notText[i] {
			problem = syncschema.NotText
		}
		if problem != nil {
			results[i] = refusal(i, op, problem)
			continue
		}
		valid, places = append(valid, *op), append(places, i)
	}
	return valid, places
}

// refusal returns the result of an op that does not reach the engine. If its id is unusable, the result names the op by
// its index.
func refusal(i int, op *or3cloud.Op, p *syncschema.Problem) or3cloud.OpResult {
	id := op.Stamp.OpID
	if !syncschema.IsUUID(id) {
		id = "invalid-op-" + strconv.Itoa(i)
	}
	return or3cloud.OpResult{OpID: id, Error: p.Text, ErrorCode: p.Code}
}
