# frozen_string_literal: true

# Results that plain JSON does not know, and how Lambda writes them.

Point = Struct.new(:x, :y)

def symbols(event:, context:)
  { kind: :symbol, 'text' => nil, 1 => 2.5 }
end

def structs(event:, context:)
  Point.new(1, 2)
end

class Custom
  def to_json(*)
    '{"own":true}'
  end
end

def own_json(event:, context:)
  [Custom.new]
end

def times(event:, context:)
  Time.at(0).utc
end

def big_numbers(event:, context:)
  [2**70, 1e300, -0.0, 0.1]
end

def not_a_number(event:, context:)
  Float::NAN
end

def circular(event:, context:)
  value = []
  value << value
end

def invalid_text(event:, context:)
  "\xff"
end

def stream(event:, context:)
  StringIO.new('{"raw":true}')
end


def large(event:, context:)
  'x' * event['size']
end

def size_of(event:, context:)
  event['text'].length
end
