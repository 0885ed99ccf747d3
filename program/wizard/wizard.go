// Package wizard asks the set-up questions in a terminal, one per page. It gets the questions from the engine, and
// writes nothing itself: it ends with answers and a decision about them.
package wizard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/huh/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/setup"
)

// Decision is how the user leaves the wizard.
type Decision string

// The decisions. An interrupt is the decision to leave.
const (
	Leave Decision = "leave"
	Write Decision = "write"
	// Save keeps the answers, to continue another time.
	Save Decision = "save"
)

// Review says in words what a plan would do, with secrets as their length.
type Review func(setup.Plan) string

// Run asks the open questions, starting with the answers that there are, until the user decides.
func Run(ctx context.Context, in io.Reader, out io.Writer, engine *setup.Setup, answers setup.Answers, review Review) (setup.Answers, Decision, error) {
	m := newModel(engine, answers, review)
	_, err := tea.NewProgram(m, tea.WithInput(in), tea.WithOutput(out), tea.WithContext(ctx), tea.WithFilter(withoutSizeRequests)).Run()
	if errors.Is(err, tea.ErrInterrupted) {
		return answers, Leave, nil
	}
	if err == nil {
		err = m.err
	}
	return m.answers, m.decision, err
}

// newModel returns the wizard on its first page, which is the review for a user who continues.
func newModel(engine *setup.Setup, answers setup.Answers, review Review) *model {
	m := &model{engine: engine, answers: answers, review: review, decision: Leave, width: 80, height: 24}
	if m.answers.Preset == "" {
		m.answers.Preset = engine.DefaultPreset()
	}
	m.open(stepPreset)
	if len(answers.Values) > 0 || len(answers.Files) > 0 {
		m.open(stepReview)
	}
	return m
}

// withoutSizeRequests drops each form's requests for the size of the terminal, which the program reports at its start
// and whenever it changes: the library answers two at a time with a data race.
func withoutSizeRequests(_ tea.Model, msg tea.Msg) tea.Msg {
	if msg == tea.RequestWindowSize() {
		return nil
	}
	return msg
}

// The pages that are not questions from the engine. The others are named after their settings.
const (
	stepPreset = "preset"
	stepFiles  = "files"
	stepReview = "review"
)

// model is the state of the wizard.
type model struct {
	engine   *setup.Setup
	answers  setup.Answers
	review   Review
	decision Decision
	err      error

	step string
	form *huh.Form
	// describe gives the field of the page its description, in lines as wide as there is room for.
	describe func(width int)
	// What the form of the page writes to.
	text  string
	files []string
	// question is that of the page; problem says what is wrong with text, as it is typed.
	question setup.Question
	problem  *or3cloud.Problem
	checked  string
	// summary are the lines of the review, which are shown from scroll on.
	summary []string
	scroll  int

	width, height int
	background    tea.BackgroundColorMsg
}

// steps are the pages of the answers so far.
func (m *model) steps() []string {
	steps := []string{stepPreset}
	if m.answers.Preset == "" {
		return append(steps, stepReview)
	}
	for _, q := range m.engine.Questions(m.answers) {
		steps = append(steps, q.Setting.Name)
	}
	if m.engine.Host() != setup.HostNuxt {
		steps = append(steps, stepFiles)
	}
	return append(steps, stepReview)
}

// open goes to a page.
func (m *model) open(step string) tea.Cmd {
	m.step, m.text, m.problem, m.checked, m.scroll = step, "", nil, "", 0
	m.question, m.describe = setup.Question{}, func(int) {}
	var field huh.Field
	switch step {
	case stepPreset:
		field = m.presets()
	case stepFiles:
		field = m.extras()
	case stepReview:
		field = m.decisions()
	default:
		field = m.ask(step)
	}
	keys := huh.NewDefaultKeyMap()
	for _, prev := range []interface{ SetEnabled(bool) }{&keys.Input.Prev, &keys.Select.Prev, &keys.MultiSelect.Prev} {
		prev.SetEnabled(false) // the wizard itself goes back
	}
	m.form = huh.NewForm(huh.NewGroup(field)).WithKeyMap(keys).WithTheme(huh.ThemeFunc(m.theme)).
		WithShowHelp(false).WithShowErrors(false).WithWidth(m.inner())
	if m.background.Color != nil {
		m.tell(m.background)
	}
	start := m.form.Init()
	m.fit()
	return start
}

// fit gives the form its width, and the height that it needs and there is room for.
func (m *model) fit() {
	const around, border = 8, 2 // title, hints and keys; the line in front of a field
	m.describe(m.inner() - border)
	m.form = m.form.WithWidth(m.inner())
	m.tell(tea.WindowSizeMsg{Width: m.inner(), Height: max(6, m.height-around)})
}

// tell passes a message to the form that needs no reply.
func (m *model) tell(msg tea.Msg) {
	form, _ := m.form.Update(msg)
	m.form = form.(*huh.Form)
}

// inner is the width of the text: lines longer than a book's are hard to read.
func (m *model) inner() int { return max(20, min(m.width-4, 96)) }

func (m *model) presets() huh.Field {
	var options []huh.Option[string]
	for _, p := range m.engine.Presets() {
		options = append(options, huh.NewOption(p.Label, p.ID))
	}
	m.text = m.answers.Preset
	return huh.NewSelect[string]().Title("What do you want to set up?").Options(options...).Value(&m.text).Filtering(false)
}

func (m *model) extras() huh.Field {
	var options []huh.Option[string]
	for _, e := range setup.Extras {
		options = append(options, huh.NewOption(e.Label, e.Name).Selected(slices.Contains(m.answers.Files, e.Name)))
	}
	m.files = slices.Clone(m.answers.Files)
	field := huh.NewMultiSelect[string]().Title("Which other files do you want?").Options(options...).Value(&m.files).Filterable(false).
		Validate(func(files []string) error {
			a := m.answers
			a.Files = files
			_, _, err := m.engine.Plan(a)
			return err
		})
	m.describe = func(width int) {
		help := lines("None is needed to start. Space selects, Enter continues.", width)
		field.Description(strings.Join(help, "\n")).Height(1 + len(help) + len(options))
	}
	return field
}

// lines are those of a text, broken between words and no wider than there is room for; continuation lines keep the
// indentation. The library's own wrapping breaks addresses and flags.
func lines(text string, width int) (wrapped []string) {
	for _, line := range strings.Split(text, "\n") {
		if ansi.StringWidth(line) <= width {
			wrapped = append(wrapped, line)
			continue
		}
		indent := line[:min(width/2, len(line)-len(strings.TrimLeft(line, " ")))]
		at := indent
		for _, word := range strings.Fields(line) {
			if at != indent {
				word = " " + word
			}
			switch {
			case ansi.StringWidth(at+word) <= width:
				at += word
				continue
			case ansi.StringWidth(indent+strings.TrimSpace(word)) <= width:
				wrapped = append(wrapped, at)
				at = indent + strings.TrimSpace(word)
				continue
			}
			for word != "" { // it fits on no line
				piece := ansi.Truncate(word, width-ansi.StringWidth(at), "")
				if at, word = at+piece, word[len(piece):]; word != "" {
					wrapped = append(wrapped, at)
					at = indent
				}
			}
		}
		wrapped = append(wrapped, at)
	}
	return wrapped
}

func (m *model) decisions() huh.Field {
	plan, problems, err := m.engine.Plan(m.answers)
	var options []huh.Option[string]
	switch {
	case err != nil:
		m.summary = []string{"This cannot be written:", "", err.Error()}
	case len(problems) > 0:
		m.summary = []string{"This cannot be written yet:"}
		for _, p := range problems {
			m.summary = append(m.summary, "", p.Variable+" "+p.Fault+".", p.Fix)
		}
	default:
		m.summary = strings.Split(strings.TrimRight(m.review(plan), "\n"), "\n")
		options = append(options, huh.NewOption("Write it", string(Write)))
	}
	options = append(options, huh.NewOption("Go through the questions", stepPreset),
		huh.NewOption("Keep the answers, without secrets, and continue another time", string(Save)), huh.NewOption("Leave, and write nothing", string(Leave)))
	return huh.NewSelect[string]().Title("What now?").Options(options...).Value(&m.text).Filtering(false)
}

// ask makes the page of a question.
func (m *model) ask(name string) huh.Field {
	for _, q := range m.engine.Questions(m.answers) {
		if q.Setting.Name == name {
			m.question = q
		}
	}
	q := m.question
	m.text = q.Proposal
	if q.Answered {
		m.text = q.Answer
	}
	help := q.Setting.Help
	switch {
	case q.Kept:
		help += "\nThere is already one: leave this empty to keep it."
	case q.Setting.Example != "" && q.Setting.Example != q.Proposal:
		help += "\nExample: " + q.Setting.Example
	}
	if options := q.Setting.Options; len(options) > 0 {
		field := huh.NewSelect[string]().Title(q.Setting.Label).Options(huh.NewOptions(options...)...).Value(&m.text).Filtering(false).Validate(m.check)
		m.describe = func(width int) { field.Description(strings.Join(lines(help, width), "\n")) }
		return field
	}
	field := huh.NewInput().Title(q.Setting.Label).Value(&m.text).Validate(m.check)
	m.describe = func(width int) { field.Description(strings.Join(lines(help, width), "\n")) }
	if q.Setting.Secret {
		field.EchoMode(huh.EchoModePassword)
	}
	return field
}

// check returns what keeps the user on the page.
func (m *model) check(text string) error {
	if p := m.engine.Check(m.answers, m.question.Setting.Name, text); p != nil {
		return errors.New(p.Fault)
	}
	return nil
}

// Init implements tea.Model.
func (m *model) Init() tea.Cmd { return tea.Batch(m.form.Init(), tea.RequestBackgroundColor) }

// Update implements tea.Model.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		m.fit()
		return m, nil
	case tea.BackgroundColorMsg:
		m.background = msg
	case tea.KeyPressMsg:
		switch msg.String() {
		case "ctrl+c":
			return m, tea.Quit
		case "esc", "shift+tab":
			return m, m.back()
		case "pgdown", "pgup":
			m.page(msg.String() == "pgdown")
			return m, nil
		}
	}
	form, cmd := m.form.Update(msg)
	m.form = form.(*huh.Form)
	if m.form.State == huh.StateCompleted {
		return m, m.next()
	}
	if name := m.question.Setting.Name; name != "" && m.text != m.checked {
		m.checked = m.text
		if m.problem = nil; m.text != "" {
			m.problem = m.engine.Check(m.answers, name, m.text)
		}
	}
	if _, key := msg.(tea.KeyPressMsg); key && m.question.Setting.Name != "" && m.text == "" {
		m.problem = nil
		if len(m.form.Errors()) > 0 {
			m.problem = m.engine.Check(m.answers, m.question.Setting.Name, "")
		}
	}
	return m, cmd
}

// next keeps the answer of the page and opens the one after it.
func (m *model) next() tea.Cmd {
	switch m.step {
	case stepPreset:
		m.answers.Preset = m.text
	case stepFiles:
		m.answers.Files = slices.Clone(m.files)
	case stepReview:
		switch m.text {
		case stepPreset:
			return m.open(stepPreset)
		default:
			m.decision = Decision(m.text)
			return tea.Quit
		}
	default:
		m.keep()
	}
	steps := m.steps()
	return m.open(steps[min(slices.Index(steps, m.step)+1, len(steps)-1)])
}

// keep stores the answer of a question, unless it is the default.
func (m *model) keep() {
	name := m.question.Setting.Name
	if m.text == m.question.Proposal {
		m.answers.Values = maps.Clone(m.answers.Values)
		delete(m.answers.Values, name)
		return
	}
	m.answers = m.answers.With(name, m.text)
}

// back opens the page before this one. What is typed stays, if it is an answer.
func (m *model) back() tea.Cmd {
	if m.question.Setting.Name != "" && m.engine.Check(m.answers, m.question.Setting.Name, m.text) == nil {
		m.keep()
	}
	steps := m.steps()
	if i := slices.Index(steps, m.step); i > 0 {
		return m.open(steps[i-1])
	}
	return nil
}

// page scrolls the review.
func (m *model) page(down bool) {
	step := max(1, m.room()-1)
	if !down {
		step = -step
	}
	m.scroll = max(0, min(m.scroll+step, len(m.wrapped())-m.room()))
}

// room is how many lines of the review fit above the form.
func (m *model) room() int {
	const around = 6 // margin, title, and what surrounds the form
	return max(3, m.height-around-lipgloss.Height(m.form.View())-len(lines(m.keys(true), m.inner())))
}

// wrapped are the lines of the review, none wider than the page.
func (m *model) wrapped() (wrapped []string) {
	for _, line := range m.summary {
		wrapped = append(wrapped, lines(line, m.inner())...)
	}
	return wrapped
}

// View implements tea.Model.
func (m *model) View() tea.View {
	c := m.colours()
	faint, wrong, title := lipgloss.NewStyle().Foreground(c.faint), lipgloss.NewStyle().Foreground(c.wrong), lipgloss.NewStyle().Bold(true)

	paragraph := func(text string) string { return strings.Join(lines(text, m.inner()), "\n") }

	steps := m.steps()
	var b strings.Builder
	b.WriteString(title.Render("OR3 Cloud set-up") + faint.Render(fmt.Sprintf("  %d of %d", slices.Index(steps, m.step)+1, len(steps))) + "\n\n")
	if m.step == stepReview {
		all := m.wrapped()
		end := min(len(all), m.scroll+m.room())
		b.WriteString(strings.Join(all[min(m.scroll, end):end], "\n") + "\n")
		if len(all) > m.room() {
			b.WriteString(faint.Render(fmt.Sprintf("lines %d to %d of %d", m.scroll+1, end, len(all))) + "\n")
		}
		b.WriteString("\n")
	}
	b.WriteString(m.form.View() + "\n")
	switch {
	case m.step == stepPreset:
		for _, p := range m.engine.Presets() {
			if p.ID == m.text {
				b.WriteString("\n" + faint.Render(paragraph(p.Help)) + "\n")
			}
		}
	case m.step == stepFiles && len(m.form.Errors()) > 0:
		b.WriteString("\n" + wrong.Render(paragraph("✗ "+m.form.Errors()[0].Error())) + "\n")
	case m.problem != nil:
		b.WriteString("\n" + wrong.Render(paragraph("✗ "+m.problem.Fault+". "+m.problem.Fix)) + "\n")
	}
	b.WriteString("\n" + faint.Render(paragraph(m.keys(m.step == stepReview && len(m.wrapped()) > m.room()))))
	view := tea.NewView(lipgloss.NewStyle().Padding(1, 2, 0).Render(b.String()))
	view.AltScreen = true
	view.WindowTitle = "OR3 Cloud set-up"
	return view
}

// keys describes the keys of this page, which may scroll.
func (m *model) keys(scrolls bool) string {
	keys := []string{"Enter: on"}
	if m.step != stepPreset {
		keys = append(keys, "Esc: back")
	}
	if scrolls {
		keys = append(keys, "PgUp, PgDn: read")
	}
	return strings.Join(append(keys, "Ctrl+C: leave, nothing is written"), " · ")
}
