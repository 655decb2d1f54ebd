package model

// NewWithin lets tests split weights and KV at limits smaller than the device's.
var NewWithin = newWithin
