package doctor

import (
	"context"
	"errors"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/mail"
	"or3.chat/cloud/setting"
)

// mail signs in to the mail server. Only a message shows whether it takes messages: or3-cloud mail test.
func (e *examination) mail(ctx context.Context) {
	c := e.Config
	server, err := mail.Parse(c.String(setting.SMTPURL), c.String(setting.SMTPFrom), c.String(setting.EHLOName))
	if err != nil || server == nil {
		return // none is configured, or the configuration says what is wrong
	}
	e.look(AreaMail)
	ctx, cancel := context.WithTimeout(ctx, mailPatience)
	defer cancel()
	err = mail.NewSender(server, e.Now, nil).SignIn(ctx)
	if err == nil {
		return
	}
	p := or3cloud.Problem{
		Variable: setting.SMTPURL, Fault: err.Error(), Why: "no one can get a new password by mail, and notices do not arrive",
		Fix: "Try again with: or3-cloud mail test you@example.org",
	}
	if failed := (*mail.Error)(nil); errors.As(err, &failed) && failed.Advice != "" {
		p.Fix = failed.Advice
	}
	e.find(Error, AreaMail, p)
}
