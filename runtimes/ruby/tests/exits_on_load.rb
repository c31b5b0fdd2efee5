# frozen_string_literal: true

# A file that ends the process while it is loaded.

exit!(4)
