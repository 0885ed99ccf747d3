package wizard

import (
	"image/color"

	"charm.land/huh/v2"
	"charm.land/lipgloss/v2"
)

// colours are readable on the background of the terminal. Everything else has the terminal's own colour.
type colours struct{ title, faint, accent, chosen, wrong color.Color }

// colours returns those of the terminal. As long as it has not reported its background, and some never do, there are
// none.
func (m *model) colours() colours {
	if m.background.Color == nil {
		no := lipgloss.NoColor{}
		return colours{no, no, no, no, no}
	}
	pick := lipgloss.LightDark(m.background.IsDark())
	return colours{
		title:  pick(lipgloss.Color("#4b47c9"), lipgloss.Color("#a5a2ff")),
		faint:  pick(lipgloss.Color("#5c5c5c"), lipgloss.Color("#a8a8a8")),
		accent: pick(lipgloss.Color("#a0208a"), lipgloss.Color("#f780e2")),
		chosen: pick(lipgloss.Color("#00694b"), lipgloss.Color("#2fd3a0")),
		wrong:  pick(lipgloss.Color("#b00020"), lipgloss.Color("#ff7a90")),
	}
}

// theme is that of the forms. The library's own themes have options in light grey on white, and in dark grey on black.
func (m *model) theme(dark bool) *huh.Styles {
	c := m.colours()
	t := huh.ThemeBase(dark)
	f := &t.Focused
	f.Base = f.Base.BorderForeground(c.faint)
	f.Title = f.Title.Foreground(c.title).Bold(true)
	f.Description = f.Description.Foreground(c.faint)
	f.ErrorIndicator = lipgloss.NewStyle() // errors are shown below
	f.SelectSelector = f.SelectSelector.Foreground(c.accent)
	f.MultiSelectSelector = f.MultiSelectSelector.Foreground(c.accent)
	f.SelectedOption = f.SelectedOption.Foreground(c.chosen)
	f.SelectedPrefix = lipgloss.NewStyle().Foreground(c.chosen).SetString("✓ ")
	f.UnselectedPrefix = lipgloss.NewStyle().Foreground(c.faint).SetString("• ")
	f.TextInput.Cursor = f.TextInput.Cursor.Foreground(c.accent)
	f.TextInput.Prompt = f.TextInput.Prompt.Foreground(c.accent)
	return t
}
