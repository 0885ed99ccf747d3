// Package notify tells the service manager, systemd, about the server (sd_notify(3)): that it listens, and, as long as
// it answers, that it does. A server that no longer answers is then killed and restarted. Without such a manager
// nothing happens.
package notify

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"
)

// share is the fraction of the watchdog's time after which we report, so that a late report does no harm.
const share = 4

// Ready tells the manager that the server listens, and from then on, until ctx ends, that it answers, as alive reports.
// variable returns a variable of the environment. The manager says whether it has a watchdog.
func Ready(ctx context.Context, log *slog.Logger, variable func(string) string, alive func(context.Context) error) {
	socket := variable("NOTIFY_SOCKET")
	if socket == "" {
		return
	}
	if err := tell(socket, "READY=1"); err != nil {
		log.Warn("the service manager cannot be told that the server is ready", "error", err)
		return
	}
	if every := interval(variable); every > 0 {
		go watch(ctx, log, socket, every, alive)
	}
}

// interval is how often the watchdog must hear from this process; 0 if it need not.
func interval(variable func(string) string) time.Duration {
	if pid := variable("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0 // it is for another process, which has passed its environment on
	}
	granted, err := strconv.ParseInt(variable("WATCHDOG_USEC"), 10, 64)
	if err != nil || granted <= 0 {
		return 0
	}
	return time.Duration(granted) * time.Microsecond / share
}

func watch(ctx context.Context, log *slog.Logger, socket string, every time.Duration, alive func(context.Context) error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		ask, cancel := context.WithTimeout(ctx, every)
		err := alive(ask)
		cancel()
		if err == nil {
			err = tell(socket, "WATCHDOG=1")
		}
		if err != nil && ctx.Err() == nil {
			log.Warn("the watchdog does not hear from this server, and will end it if that continues", "error", err)
		}
	}
}

// tell sends a message to the manager's socket. A name that starts with @ is in no file system, which net knows.
func tell(socket, message string) error {
	conn, err := net.Dial("unixgram", socket)
	if err == nil {
		_, err = conn.Write([]byte(message))
		conn.Close()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", message, err)
	}
	return nil
}
