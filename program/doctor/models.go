package doctor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/completions"
	"or3.chat/cloud/setting"
)

// modelPatience is how long doctor waits for a model server to answer.
const modelPatience = 10 * time.Second

// models contacts every model server that answers for all. Only a chat shows whether a model exists.
func (e *examination) models(ctx context.Context) {
	upstreams, problems := completions.Configured(e.Config)
	if len(problems) > 0 || !upstreams.Offered() {
		return // there is no key for all, or the configuration says what is wrong
	}
	e.look(AreaModels)
	ctx, cancel := context.WithTimeout(ctx, modelPatience)
	defer cancel()
	client := completions.NewClient(completions.Options{Header: modelPatience, Idle: modelPatience})
	defer client.Close()
	var asked sync.WaitGroup
	for _, u := range upstreams.All() {
		asked.Go(func() {
			if err := client.Check(ctx, u); err != nil {
				e.find(Error, AreaModels, unanswered(u, err))
			}
		})
	}
	asked.Wait()
}

// unanswered is the problem of a model server that does not answer.
func unanswered(u completions.Upstream, err error) or3cloud.Problem {
	address, key := setting.ModelUpstreams, setting.ModelKeys
	if u.Name == "" {
		address, key = setting.OpenRouterURL, setting.OpenRouterKey
	}
	p := or3cloud.Problem{
		Variable: address, Fault: fmt.Sprintf("the model server %s, %s, does not answer: %v", u, u.Base, err), Why: "chats with its models get no answer",
		Fix: "Start it, or correct the address: it is followed by /chat/completions.",
	}
	if errors.Is(err, completions.ErrKey) {
		p.Variable, p.Fault, p.Fix = key, fmt.Sprintf("is refused by the model server %s, %s", u, u.Base), "Use a key that is valid there."
	}
	return p
}
