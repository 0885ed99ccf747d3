package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"or3.chat/cloud/bench/internal/client"
	"or3.chat/cloud/bench/internal/measure"
	"or3.chat/cloud/bench/internal/models"
	"or3.chat/cloud/bench/internal/process"
)

// The load: so many answers at once, each of so many tokens with a pause between them.
const (
	answersAtOnce   = 64
	tokensAnswer    = 400
	tokenPause      = 10 * time.Millisecond
	answersInMemory = 200
	answersPerUser  = 10
)

// benchStream compares an answer that comes through OR3 Cloud with the same one through nginx, and with none in
// between.
func (b *bench) benchStream(ctx context.Context) error {
	upstream, stop, err := models.Start()
	if err != nil {
		return err
	}
	defer stop()
	ours, err := b.Serve("stream", "OPENROUTER_API_KEY=sk-or-v1-bench", "OR3_OPENROUTER_BASE_URL=http://"+upstream+"/api/v1",
		"OR3_BACKGROUND_STREAMING_ENABLED=true", fmt.Sprintf("OR3_BACKGROUND_MAX_JOBS=%d", answersInMemory), fmt.Sprintf("OR3_BACKGROUND_MAX_JOBS_PER_USER=%d", answersPerUser))
	if err != nil {
		return err
	}
	defer ours.Stop()
	theirs, err := b.startProxy(ctx, upstream)
	if err != nil {
		return err
	}
	defer theirs.Stop()
	const path = "/api/v1/chat/completions"
	var members []*client.Device
	for i := range answersInMemory / answersPerUser {
		d, err := client.SignUp(ours.Addr, b.Corpus, fmt.Sprintf("stream-%d@example.test", i))
		if err != nil {
			return err
		}
		members = append(members, d)
	}
	cookies := func(d *client.Device) string {
		header := "Cookie: "
		for _, k := range d.Cookies {
			header += k.Name + "=" + k.Value + "; "
		}
		return strings.TrimSuffix(header, "; ") + "\r\n"
	}
	through := func(i int) *models.Asker {
		return &models.Asker{Addr: ours.Addr, Path: "/api/openrouter/stream", Header: cookies(members[i%len(members)])}
	}
	inBackground := func(i int) *models.Reader {
		d := members[i%len(members)]
		return &models.Reader{Addr: ours.Addr, Workspace: d.Workspace, Header: cookies(d)}
	}
	proxied := func(int) *models.Asker { return &models.Asker{Addr: theirs.Addr, Path: path} }
	direct := func(int) *models.Asker { return &models.Asker{Addr: upstream, Path: path} }

	// The first byte, one answer at a time.
	ways := []struct {
		name string
		open func(int) *models.Asker
		all  *hdrhistogram.Histogram
	}{{"Asked directly", direct, measure.NewHistogram()}, {"Through nginx", proxied, measure.NewHistogram()}, {"Through OR3 Cloud", through, measure.NewHistogram()}}
	var steps []measure.Step
	for _, way := range ways {
		steps = append(steps, measure.Step{Run: func() error {
			a := way.open(0)
			defer a.Close()
			for range b.Ops(200) {
				took, err := a.Ask(models.Chat(3, time.Millisecond))
				if err != nil {
					return err
				}
				way.all.RecordValue(took.Microseconds())
			}
			return nil
		}})
	}
	background := measure.NewHistogram()
	steps = append(steps, measure.Step{Run: func() error {
		for range b.Ops(50) {
			took, err := inBackground(0).Read(models.Chat(3, time.Millisecond))
			if err != nil {
				return err
			}
			background.RecordValue(took.Microseconds())
		}
		return nil
	}})
	if err := measure.Interleave(b.Rounds, steps...); err != nil {
		return err
	}
	r := b.Report
	r.Section("Answers of models", fmt.Sprintf("a server of models on the same machine, chats of 2 KB, tokens of %d bytes each as an event of its own; nginx as a proxy that does not buffer", len(models.Token)))
	for _, way := range ways {
		r.Figure(way.name+", first byte, ms", fmt.Sprintf("p50 %s, p99 %s", measure.Number(measure.MS(way.all, 50)), measure.Number(measure.MS(way.all, 99))), "one answer at a time")
	}
	r.Figure("In the background, first word for readers, ms", fmt.Sprintf("p50 %s, p99 %s", measure.Number(measure.MS(background, 50)), measure.Number(measure.MS(background, 99))),
		"one answer of three tokens at a time, from the request for it on; the question is in the history before the model is asked")
	later := measure.MS(ways[2].all, 50) - measure.MS(ways[0].all, 50)
	r.Target("First byte of an answer, beyond the upstream's", "≤ 5 ms", fmt.Sprintf("%.2f ms", later), later <= 5)

	// What a token costs.
	var ourCost, theirCost, backgroundCost measure.Series
	load := func(s *process.Server, open func(int) *models.Asker, cost *measure.Series) func() error {
		return func() error {
			before := s.CPU()
			if err := models.Together(answersAtOnce, open, models.Chat(tokensAnswer, tokenPause)); err != nil {
				return err
			}
			*cost = append(*cost, float64((s.CPU()-before).Microseconds())/(answersAtOnce*tokensAnswer))
			return nil
		}
	}
	read := func(n int) error {
		return models.AtOnce(n, func(i int) error {
			_, err := inBackground(i).Read(models.Chat(tokensAnswer, tokenPause))
			return err
		})
	}
	readAlong := func() error {
		before := ours.CPU()
		if err := read(answersAtOnce); err != nil {
			return err
		}
		backgroundCost = append(backgroundCost, float64((ours.CPU()-before).Microseconds())/(answersAtOnce*tokensAnswer))
		return nil
	}
	if err := measure.Interleave(b.Rounds, measure.Step{Run: load(ours, through, &ourCost)}, measure.Step{Run: load(theirs, proxied, &theirCost)},
		measure.Step{Run: readAlong}); err != nil {
		return err
	}
	r.Figure("Processor time for a token through nginx, µs", theirCost.String(), fmt.Sprintf("%d answers at once, %d tokens each, one every %v", answersAtOnce, tokensAnswer, tokenPause))
	r.Figure("Processor time for a token through OR3 Cloud, µs", ourCost.String(), fmt.Sprintf("%.2f × nginx", ourCost.Median()/theirCost.Median()))
	r.Figure("Processor time for a token in the background, read along, µs", backgroundCost.String(),
		fmt.Sprintf("%.2f × nginx; what comes is written down and told four times a second", backgroundCost.Median()/theirCost.Median()))

	// What many answers at once take.
	idle, err := ours.Memory()
	if err != nil {
		return err
	}
	if err := ours.ResetPeak(); err != nil {
		return err
	}
	if err := models.AtOnce(2, func(i int) error {
		if i == 0 {
			return models.Together(answersInMemory, through, models.Chat(tokensAnswer, tokenPause))
		}
		return read(answersInMemory)
	}); err != nil {
		return err
	}
	busy, err := ours.Memory()
	if err != nil {
		return err
	}
	r.Figure(fmt.Sprintf("Memory with %d answers under way, and %d more in the background that are read along, MB", answersInMemory, answersInMemory), measure.Number(busy.Peak), fmt.Sprintf("%s before", measure.Number(idle.Resident)))
	r.Target(fmt.Sprintf("Memory while twice %d answers are under way", answersInMemory), "< 150 MB", fmt.Sprintf("%.1f MB", busy.Peak), busy.Peak < 150)
	return nil
}

// startProxy serves an upstream by nginx from Debian's packages, with what its documentation tells for streams.
func (b *bench) startProxy(ctx context.Context, upstream string) (*process.Server, error) {
	bin, err := b.debian(ctx, "nginx", "usr/sbin/nginx")
	if err != nil {
		return nil, err
	}
	return nginx{
		bin:    bin,
		http:   "upstream models { server " + upstream + "; keepalive 64; }",
		server: `location / { proxy_pass http://models; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; proxy_request_buffering off; }`,
	}.start(b.Path("nginx-stream/data"))
}
