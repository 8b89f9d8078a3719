"""The load harness behind `cicswitch bench`: scenarios, drivers and what they measured."""
