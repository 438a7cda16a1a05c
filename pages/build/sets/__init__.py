"""The Data page: importing image sets and showing what is in them."""
