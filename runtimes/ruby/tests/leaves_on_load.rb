# frozen_string_literal: true

# A file that asks the process to end while it is loaded.

exit(4)
