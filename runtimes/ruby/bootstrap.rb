# frozen_string_literal: true

# Entry point of the Ruby runtime: what the execution environment starts.
#
# Stays this small on purpose: what is defined here, at the top level, is seen by function code.

require_relative 'dormouse_runtime/loop'

DormouseRuntime::Loop.run(ENV)
