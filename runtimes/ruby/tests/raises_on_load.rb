# frozen_string_literal: true

# A file that cannot be loaded because its own code fails.

raise ArgumentError, 'no configuration'
