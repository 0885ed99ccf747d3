package sqlite

import (
	"fmt"
	"slices"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/census"
)

// names are those of all workspaces that a question finds, page by page.
func (s *Store) names(t *testing.T, in census.WorkspaceQuery) (names []string) {
	t.Helper()
	for {
		page, next, err := s.WeighWorkspaces(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, ws := range page {
			names = append(names, ws.Name)
		}
		if in.Cursor = next; next == "" {
			return names
		}
	}
}

func TestWorkspacesAreWeighed(t *testing.T) {
	s, clock := openTest(t)
	user, first := workspaceOf(t, s)
	if err := s.UpdateWorkspace(t.Context(), user, first, "w0", "the first"); err != nil {
		t.Fatal(err)
	}
	ids := []string{first}
	for n := 1; n < 6; n++ {
		id, err := s.CreateWorkspace(t.Context(), user, fmt.Sprintf("w%d", n), "")
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	push := func(ws string, n int) {
		t.Helper()
		for i := range n {
			if _, err := s.Push(t.Context(), or3cloud.PushRequest{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, Ops: []or3cloud.Op{threadOp(t, n*100+i)}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	push(ids[3], 9)
	push(ids[1], 4)
	if err := s.SoftDeleteWorkspace(t.Context(), ids[5]); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		in   census.WorkspaceQuery
		want []string
	}{
		{census.WorkspaceQuery{Order: census.NewestFirst}, []string{"w4", "w3", "w2", "w1", "w0"}},
		{census.WorkspaceQuery{Order: census.NewestFirst, IncludeDeleted: true}, []string{"w5", "w4", "w3", "w2", "w1", "w0"}},
		{census.WorkspaceQuery{Order: census.LargestFirst}, []string{"w3", "w1", "w4", "w2", "w0"}},
		{census.WorkspaceQuery{Text: "FIRST"}, []string{"w0"}},
		{census.WorkspaceQuery{Text: "w", Order: census.LargestFirst}, []string{"w3", "w1", "w4", "w2", "w0"}},
		{census.WorkspaceQuery{Text: ids[2]}, []string{"w2"}},
		{census.WorkspaceQuery{Text: "nothing"}, nil},
	} {
		for _, limit := range []int{1, 2, census.MaxPage} {
			if tc.in.Limit = limit; !slices.Equal(s.names(t, tc.in), tc.want) {
				t.Errorf("%+v: %v, want %v", tc.in, s.names(t, tc.in), tc.want)
			}
		}
	}
	for _, in := range []census.WorkspaceQuery{{}, {Limit: 101}, {Limit: 1, Cursor: "x"}, {Limit: 1, Cursor: "1.2.3"}, {Limit: 1, Order: "oldest"}} {
		if _, _, err := s.WeighWorkspaces(t.Context(), in); or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
			t.Errorf("%+v: %v", in, err)
		}
	}
	counts, err := s.CountWorkspaces(t.Context())
	if err != nil || counts.Workspaces != 5 || counts.Deleted != 1 || counts.LogBytes == 0 {
		t.Errorf("%+v, %v", counts, err)
	}

	for device, version := range map[string]int64{"fast": 9, "slow": 2} {
		in := or3cloud.CursorUpdate{Scope: or3cloud.Scope{WorkspaceID: ids[3]}, UserID: user, DeviceID: device, Version: version}
		if err := s.UpdateCursor(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	sync, err := s.DescribeSync(t.Context(), ids[3])
	if err != nil || sync.Version != 9 || sync.LogBytes == 0 || len(sync.Devices) != 2 {
		t.Fatalf("%+v, %v", sync, err)
	}
	clock.advance(defaultDeviceStale + time.Second)
	sync, err = s.DescribeSync(t.Context(), ids[3])
	for _, d := range sync.Devices {
		if want := map[string]int64{"fast": 0, "slow": 7}[d.DeviceID]; d.Behind != want || !d.Forgotten {
			t.Errorf("%+v", d)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.DescribeSync(t.Context(), "none"); or3cloud.CodeOf(err) != or3cloud.CodeNotFound {
		t.Errorf("a workspace that never was: %v", err)
	}
}
