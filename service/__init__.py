"""The example domain: a REST service about a fleet of trucks that report by GB/T 32960."""
