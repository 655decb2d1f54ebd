// Package term lays out what umbra says on a terminal: tables, sizes, rates and progress.
//
// It writes to the io.Writer it is given and nowhere else, and knows nothing of models or adapters.
package term
