package syncwire

import (
	"strconv"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/syncschema"
)

// Judge checks each op of a push alone and returns those that a sync engine may get, in their order, with the place of
// each among all. It moves them to the front of p.Ops, and puts a refusal into results, which has a place for each op, for
// every other one (contract, sync §10.1, Pitfall 2).
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

// refusal is the result of an op that does not reach the engine. An op whose id is unusable is named by its place.
func refusal(i int, op *or3cloud.Op, p *syncschema.Problem) or3cloud.OpResult {
	id := op.Stamp.OpID
	if !syncschema.IsUUID(id) {
		id = "invalid-op-" + strconv.Itoa(i)
	}
	return or3cloud.OpResult{OpID: id, Error: p.Text, ErrorCode: p.Code}
}
