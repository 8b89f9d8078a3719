"""What every shell needs: the clock, the loop's one timer, named tasks, logs, overload control."""
