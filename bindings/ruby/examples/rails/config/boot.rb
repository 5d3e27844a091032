# frozen_string_literal: true

require 'erb'
require 'uri'

# The gem of this checkout. An application of its own has it in its Gemfile, and Bundler
# here.
$LOAD_PATH.unshift(File.expand_path('../../../lib', __dir__))

# `make dev` prints the address of a socket, with its directory in the query, where
# ActiveRecord does not look. As a host everybody finds it.
address, query = ENV['DATABASE_URL'].to_s.split('?', 2)
host, port = URI.decode_www_form(query.to_s).to_h.values_at('host', 'port')
ENV['DATABASE_URL'] = address.sub(%r{(//[^/]*@|//)[^/@]*/}, "\\1#{ERB::Util.url_encode(host)}:#{port || 5432}/") if host
