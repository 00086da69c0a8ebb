// Package pipeline is the core: triggers, definitions, plans, runs and the engine that moves runs through their states.
//
// It imports nothing of Slipway and no SDK. What it needs from the world it declares as small interfaces.
package pipeline
