package factors

import "time"

// LongestExcuse is how long an operator can let an account go on without a second factor that is demanded.
const LongestExcuse = 28 * 24 * time.Hour
