package console

// List is a flag that takes several values, with commas or by repetition. It stores them as one text with commas.
type List string

// String implements pflag.Value.
func (l *List) String() string { return string(*l) }

// Set implements pflag.Value.
func (l *List) Set(value string) error {
	if *l != "" {
		*l += ","
	}
	*l += List(value)
	return nil
}

// Type implements pflag.Value.
func (*List) Type() string { return "names" }
