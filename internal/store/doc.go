// Package store names what the truth of Slipway holds beside runs: deliveries and jobs. The packages below it keep it.
package store
