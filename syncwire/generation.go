package syncwire

import (
	"encoding/json"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/safeint"
)

// AdmissionVersion is the version of an AdmissionEnvelope.
const AdmissionVersion = 1

// AdmissionEnvelope is the wire form of or3cloud.ChatGeneration, as clients send it and as it is stored with a job.
type AdmissionEnvelope struct {
	// Version is 1.
	Version          safeint.Int             `json:"version"`
	Kind             or3cloud.GenerationKind `json:"kind"`
	AdmissionID      string                  `json:"admissionId"`
	GenerationID     string                  `json:"generationId"`
	WorkspaceID      string                  `json:"workspaceId"`
	ThreadID         string                  `json:"threadId"`
	MessageID        string                  `json:"messageId"`
	Thread           json.RawMessage         `json:"thread,omitempty"`
	UserMessage      json.RawMessage         `json:"userMessage,omitempty"`
	AssistantMessage json.RawMessage         `json:"assistantMessage"`
	// ExpectedAssistant is the message that a continuation continues.
	ExpectedAssistant *ExpectedAssistant `json:"expectedAssistant,omitempty"`
}

// ExpectedAssistant is the wire form of or3cloud.ExpectedAssistant.
type ExpectedAssistant struct {
	Clock        safeint.Int `json:"clock"`
	GenerationID string      `json:"generationId,omitempty"`
}

// Generation returns the generation that a user announced. The sync engine finds any other faults of the envelope.
func (in AdmissionEnvelope) Generation(userID string) (or3cloud.ChatGeneration, error) {
	if in.Version != AdmissionVersion {
		return or3cloud.ChatGeneration{}, or3cloud.Errorf(or3cloud.CodeInvalid,
			"Invalid background history: version %d is not supported", in.Version)
	}
	g := or3cloud.ChatGeneration{
		Kind: in.Kind, WorkspaceID: in.WorkspaceID, UserID: userID, AdmissionID: in.AdmissionID, GenerationID: in.GenerationID,
		ThreadID: in.ThreadID, MessageID: in.MessageID,
		Thread: given(in.Thread), UserMessage: given(in.UserMessage), AssistantMessage: given(in.AssistantMessage),
	}
	if e := in.ExpectedAssistant; e != nil {
		g.Expected = &or3cloud.ExpectedAssistant{Clock: int64(e.Clock), GenerationID: e.GenerationID}
	}
	return g, nil
}

// GenerationSnapshot is the wire form of or3cloud.GenerationSnapshot, as it is stored with a job.
type GenerationSnapshot struct {
	// Status is complete, error or aborted.
	Status    or3cloud.GenerationStatus `json:"status"`
	Content   json.RawMessage           `json:"content"`
	Reasoning json.RawMessage           `json:"reasoning,omitempty"`
	ToolCalls json.RawMessage           `json:"toolCalls,omitempty"`
	Usage     json.RawMessage           `json:"usage,omitempty"`
	Error     json.RawMessage           `json:"error,omitempty"`
	// CompletedAt is in Unix milliseconds.
	CompletedAt safeint.Int `json:"completedAt"`
}

// Snapshot returns the end of a generation.
func (in GenerationSnapshot) Snapshot() or3cloud.GenerationSnapshot {
	return or3cloud.GenerationSnapshot{
		Status: in.Status, Content: given(in.Content), Reasoning: given(in.Reasoning), ToolCalls: given(in.ToolCalls),
		Usage: given(in.Usage), Error: given(in.Error), CompletedAt: time.UnixMilli(int64(in.CompletedAt)),
	}
}

// given returns a JSON value, or nil if it is null or absent.
func given(value json.RawMessage) []byte {
	if string(value) == "null" {
		return nil
	}
	return value
}
